"""What stands in for the Internet and for office servers: small real servers, each run inside a namespace."""
