"""What a Tulle program does: the engines and the host side."""
