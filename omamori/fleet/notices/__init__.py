"""Messages to customers about their hosts: at most one a day for each site, mailed to whoever asked for it and shown in the portal."""
