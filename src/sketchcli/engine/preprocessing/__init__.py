"""`preprocess`: files of pictures in, a prepared set with its audit out."""
