"""The page of `sketch2img draw`: its server, its model, and what browsers run in `page/`."""
