"""What the commands do, for Python users as well; the one place where the parts meet.

    sets        open, prepare, list, check and draw data sets
    training    plan and run a training
    models      load a model, evaluate it, segment pictures
    exporting   write ONNX and TNN files
    benching    measure an exported model on a phone or on this host
    demo        the whole road with a set of rendered scenes

Each module is imported by the command that needs it: torch loads only where it works.
"""
