"""The two faces of the fleet: URL configurations and what stands around them (headers, certificates, WSGI)."""
