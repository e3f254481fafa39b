"""What runs on CUDA alone, imported only where there is such a device."""
