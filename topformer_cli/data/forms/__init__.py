"""What differs between the tasks in a prepared set: one module and one line in `table` each."""
