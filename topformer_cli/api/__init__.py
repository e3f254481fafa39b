"""What the commands do, for Python users as well; the one place where the parts meet.

    sets        open, prepare, list, check and draw data sets
    training    plan and run a training
    models      load a model, segment pictures
    segmenting, detecting    draw what it sees in pictures and videos (pictures, drawing, videos)
    reading     pictures of every kind as RGB
    evaluating  measure a model on a split, by the protocol that is asked for
    exporting   write a model as ONNX, TNN and LiteRT files
    foreign     write an ONNX file of the user's as TNN files
    bundling    put an export into a folder to build an app from
    verifying   hold an export's files against each other and against a real TNN
    benching    measure exported models on phones or on this host
    bench_records    keep measurements, write and compare them
    sweeping    sizes x inputs x engines on one device, with mIoU
    reporting   gather runs and measurements into one page beside the paper
    runner_building, runner_fetching    the programs that measure on phones
    demo        the whole road with a set of rendered scenes

Each module is imported by the command that needs it: torch loads only where it works.
"""
