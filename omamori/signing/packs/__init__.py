"""From feeds to a signed signature pack: fetched, proven, compiled, judged, published to few and then to all (decision 0016).

This room opens sockets to feeds and holds no key while it reads what they send: everything that parses a feed's content
runs in a process of its own with bounded time and memory (`workshop.py`), and only a pack that passed every gate is signed.

    SigningError
    └── PackError
        ├── DescriptionError  the TOML file does not describe a pack
        ├── FeedError         a feed could not be had, or not as it must be
        ├── WorkshopError     the engine could not make or judge a pack of it
        ├── GateError         a pack that is not good enough, with every reason
        └── ChannelError      a pack that may not go to the next channel
"""
