// Package iec104 speaks IEC 60870-5-104.
package iec104
