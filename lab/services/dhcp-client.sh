#!/bin/sh
# What udhcpc calls in a test host: takes the address and the route, and leaves the machine's resolver alone.
case "$1" in
  bound | renew)
    ip address flush dev "$interface" scope global
    ip address add "$ip/${mask:-24}" dev "$interface"
    [ -n "$router" ] && ip route replace default via "${router%% *}" dev "$interface"
    ;;
  deconfig) ip address flush dev "$interface" scope global ;;
esac
exit 0
