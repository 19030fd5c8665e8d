package carrier

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// follow takes in what the kernel tells of interfaces until ctx ends or that fails, as it does when more came than was read.
func (w *Watcher) follow(ctx context.Context) error {
	news, err := netlink.Dial(unix.NETLINK_ROUTE, &netlink.Config{Groups: unix.RTMGRP_LINK})
	if err != nil {
		return err
	}
	defer news.Close()
	stop := context.AfterFunc(ctx, func() { _ = news.Close() })
	defer stop()
	all, err := list() // after that, so that nothing is between the list and the news
	if err != nil {
		return err
	}
	w.replace(all)
	for {
		messages, err := news.Receive()
		if err != nil {
			return err
		}
		for _, m := range messages {
			if i, ok := parse(m); ok {
				w.take(i)
			}
		}
	}
}

// list is all interfaces.
func list() (all []iface, err error) {
	c, err := netlink.Dial(unix.NETLINK_ROUTE, nil)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	messages, err := c.Execute(netlink.Message{
		Header: netlink.Header{Type: unix.RTM_GETLINK, Flags: netlink.Request | netlink.Dump},
		Data:   make([]byte, unix.SizeofIfInfomsg),
	})
	if err != nil {
		return nil, fmt.Errorf("listing interfaces: %w", err)
	}
	for _, m := range messages {
		if i, ok := parse(m); ok {
			all = append(all, i)
		}
	}
	return all, nil
}

// parse reads what a message tells of an interface: struct ifinfomsg, and its name (rtnetlink(7)). A bridge tells of its ports
// in messages of its own family, which are not about carriers.
func parse(m netlink.Message) (i iface, ok bool) {
	if m.Header.Type != unix.RTM_NEWLINK && m.Header.Type != unix.RTM_DELLINK || len(m.Data) < unix.SizeofIfInfomsg || m.Data[0] != unix.AF_UNSPEC {
		return iface{}, false
	}
	i.index = int(int32(binary.NativeEndian.Uint32(m.Data[4:])))
	const carries = unix.IFF_UP | unix.IFF_LOWER_UP
	i.up = m.Header.Type == unix.RTM_NEWLINK && binary.NativeEndian.Uint32(m.Data[8:])&carries == carries
	attributes, err := netlink.NewAttributeDecoder(m.Data[unix.SizeofIfInfomsg:])
	for err == nil && attributes.Next() {
		if attributes.Type() == unix.IFLA_IFNAME {
			i.name = attributes.String()
		}
	}
	return i, true
}

// indexOf is the index of the interface that has an address; 0: none has.
func indexOf(local netip.Addr) int {
	if local.Zone() != "" {
		if i, err := net.InterfaceByName(local.Zone()); err == nil {
			return i.Index
		}
		return 0
	}
	interfaces, err := net.Interfaces()
	if err != nil {
		return 0
	}
	for _, i := range interfaces {
		addresses, err := i.Addrs()
		if err != nil {
			continue
		}
		for _, a := range addresses {
			if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr() == local {
				return i.Index
			}
		}
	}
	return 0
}
