"""The five verbs as functions: a config in, events on the way, a frozen result out."""
