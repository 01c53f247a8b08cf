"""What a sentence says of the finding that a yes/no question asks for. Read for the lenient door alone."""
