"""`fetch-data` verifies datasets and networks, unpacks them safely and puts them in place."""
