"""`python -m topformer_cli` is the `topformer` command."""

from topformer_cli.cli import main

if __name__ == "__main__":
    main()
