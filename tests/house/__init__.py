"""What the house promises about itself, counted: folders, file sizes, words, exceptions to the linter."""
