"""The parts of the verifier, by subject. What they hold true is listed in verify_program.py."""
