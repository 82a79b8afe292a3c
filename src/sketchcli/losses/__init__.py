"""Loss terms: small functions of logits, features and pictures."""
