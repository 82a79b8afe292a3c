"""What a set of pictures is compared by: a module in this package for each kind of features."""
