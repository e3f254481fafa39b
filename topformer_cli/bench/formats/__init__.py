"""What runners print and the files that they read and write."""
