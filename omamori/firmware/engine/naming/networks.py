"""Networks whose operator runs one application there: the last but one resort for a flow that says no name.

They are what the operators' autonomous systems announce, foremost; networks of hosters and of shared caches have no place here.
"""

from bisect import bisect_right
from collections.abc import Iterator
from functools import cache
from ipaddress import ip_network

_TABLE = """
Telegram | 91.105.192.0/23 91.108.4.0/22 91.108.8.0/21 91.108.16.0/21 91.108.56.0/22 95.161.64.0/20 149.154.160.0/20 185.76.151.0/24 2001:67c:4e8::/48 2001:b28:f23c::/47 2001:b28:f23f::/48
Facebook | 31.13.24.0/21 31.13.64.0/18 45.64.40.0/22 57.141.0.0/16 57.144.0.0/14 66.220.144.0/20 69.63.176.0/20 69.171.224.0/19 74.119.76.0/22 102.132.96.0/20 103.4.96.0/22 129.134.0.0/16 157.240.0.0/16 163.70.128.0/17 173.252.64.0/18 179.60.192.0/22 185.60.216.0/22 185.89.216.0/22 204.15.20.0/22 2620:0:1c00::/40 2a03:2880::/32
X | 64.63.0.0/18 69.195.160.0/19 104.244.40.0/21 185.45.4.0/22 188.64.224.0/21 192.133.76.0/22 199.16.156.0/22 199.59.148.0/22 199.96.56.0/21 2606:1f80::/32
Netflix | 23.246.0.0/18 37.77.184.0/21 45.57.0.0/17 64.120.128.0/17 66.197.128.0/17 69.53.224.0/19 108.175.32.0/20 185.2.220.0/22 185.9.188.0/22 192.173.64.0/18 198.38.96.0/19 198.45.48.0/20 208.75.76.0/22 2620:10c:7000::/44 2a00:86c0::/32
Twitch | 23.160.0.0/24 45.113.128.0/22 52.223.192.0/18 99.181.64.0/18 103.53.48.0/22 185.42.204.0/22 192.16.64.0/21 192.108.239.0/24 199.9.248.0/21
Dropbox | 45.58.64.0/20 108.160.160.0/20 162.125.0.0/16 185.45.8.0/22 199.47.216.0/22 2620:100:6000::/40
VK | 87.240.128.0/18 93.186.224.0/20 95.142.192.0/20 185.32.248.0/22 2a00:bdc0::/32
LINE | 103.2.28.0/22 119.235.224.0/20 147.92.128.0/17 203.104.128.0/19
KakaoTalk | 110.76.140.0/22 203.133.160.0/19
Viber | 52.0.252.0/22
Zoom | 134.224.0.0/16 144.195.0.0/16 147.124.96.0/19 149.137.0.0/17 159.124.0.0/16 162.12.232.0/22 162.255.36.0/22 170.114.0.0/16 173.231.80.0/20 192.204.12.0/22 198.251.128.0/17 206.247.0.0/16
Webex | 62.109.192.0/18 64.68.96.0/19 66.114.160.0/20 66.163.32.0/19 69.26.160.0/19 114.29.192.0/19 150.253.128.0/17 170.72.0.0/16 170.133.128.0/18 173.39.224.0/19 173.243.0.0/20 207.182.160.0/19 209.197.192.0/19 210.4.192.0/20 216.151.128.0/19
Skype and Teams | 52.112.0.0/14 52.122.0.0/15
Steam | 45.121.184.0/22 103.10.124.0/23 103.28.54.0/23 146.66.152.0/21 153.254.86.0/24 155.133.224.0/19 162.254.192.0/21 185.25.180.0/22 190.217.33.0/24 205.196.6.0/24 208.64.200.0/22 208.78.164.0/22
Blizzard | 5.42.160.0/19 24.105.0.0/18 37.244.0.0/18 59.153.40.0/22 137.221.64.0/18 158.115.192.0/19 185.60.112.0/22
Riot Games | 43.229.64.0/22 45.7.36.0/22 103.240.224.0/22 104.160.128.0/19 151.106.244.0/22 162.249.72.0/21 185.40.64.0/22 192.64.168.0/21
Roblox | 103.140.28.0/23 128.116.0.0/17 141.193.3.0/24 209.206.40.0/21 2620:2b:e000::/48
"""
_Ranges = tuple[list[int], list[tuple[int, str]]]


def of_address(address: bytes) -> str | None:
    """The application of a packed address's network."""
    starts, ends = _ranges(len(address))
    value = int.from_bytes(address, "big")
    place = bisect_right(starts, value) - 1
    return ends[place][1] if place >= 0 and value <= ends[place][0] else None


@cache
def _ranges(width: int) -> _Ranges:
    """Built when first asked for; networks do not overlap."""
    found = sorted(row for row in _rows() if row[3] == width)
    return [start for start, *_ in found], [(end, name) for _, end, name, _ in found]


def _rows() -> Iterator[tuple[int, int, str, int]]:
    for line in _TABLE.strip().splitlines():
        name, texts = (part.strip() for part in line.split("|"))
        for text in texts.split():
            network = ip_network(text)
            first, last = int(network.network_address), int(network.broadcast_address)
            yield first, last, name, network.max_prefixlen // 8
