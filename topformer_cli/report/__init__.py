"""Pages and figures made from the records that training, evaluation, export and bench wrote."""
