package server

import (
	"testing"

	"github.com/chromedp/chromedp"
)

// The page tells of the common address of each RTU and uplink, and names the kinds of points, also in Chinese.
func TestPageShowsSectors(t *testing.T) {
	ctx := browser(t)
	s := serve(t, withPoints, func(c *Config) {
		c.CommonAddress = func(rtu uint32) uint16 { return uint16(10 + rtu) }
		c.CommonAddresses = func(string) []uint16 { return []uint16{100, 101} }
	})
	do(t, ctx, "open", chromedp.Navigate(s.Base+"/#/station"))
	sees(t, ctx, `[data-card="rtu/1"]`, "common address 11")
	sees(t, ctx, `[data-card^="uplink/"]`, "common address 100, 101")
	view(t, ctx, "points")
	sees(t, ctx, "#point-kind", "bit patterns")
	view(t, ctx, "events")
	sees(t, ctx, "main", "bit patterns")
}
