"""What a Tulle program is: stage types, text form, verifier, target, artifact, report, diagnostics."""
