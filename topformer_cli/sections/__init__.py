"""What a recipe holds, by task: one module and one line in `table` each."""
