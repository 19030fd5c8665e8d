package sim

import (
	"bytes"
	"cmp"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/fepha/fepha/iec104/asdu"
	"github.com/fepha/fepha/iec104/filetransfer"
)

// firstFile is the object address of the first file that LoadFiles finds; the others follow.
const firstFile = 30001

// DeviceFile is a file of a simulated device.
type DeviceFile struct {
	Address asdu.InformationObjectAddress
	Name    uint16 // asdu.DisturbanceData and others
	Time    time.Time
	Content []byte // at most asdu.MaxFile octets
}

// LoadFiles makes files of disturbance data of those in a folder, in the order of their names.
func LoadFiles(dir string) (files []DeviceFile, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || !info.Mode().IsRegular() {
			continue
		}
		if info.Size() > asdu.MaxFile {
			return nil, fmt.Errorf("%s has %d octets, expected at most %d", filepath.Join(dir, e.Name()), info.Size(), asdu.MaxFile)
		}
		content, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, err
		}
		files = append(files, DeviceFile{firstFile + asdu.InformationObjectAddress(len(files)), asdu.DisturbanceData, info.ModTime(), content})
	}
	return files, nil
}

// DisturbanceRecord makes a record of a fault of so many octets: three currents and voltages as scaled values, which a fault distorts.
func DisturbanceRecord(octets int) []byte {
	b := make([]byte, octets)
	for i := range octets / 2 {
		sample, signal := i/6, i%6
		v := 1000 * math.Sin(2*math.Pi*(float64(sample)/20+float64(signal%3)/3))
		if sample > 400 && signal < 3 {
			v *= 12 * math.Exp(-float64(sample-400)/4000)
		}
		b[2*i], b[2*i+1] = byte(int16(v)), byte(int16(v)>>8)
	}
	return b
}

// AddFile gives the device a file, in place of one with the same address and name, and tells its clients (F_DR_TA_1, spontaneous).
func (d *Device) AddFile(f DeviceFile) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.files = slices.DeleteFunc(d.files, func(o DeviceFile) bool { return o.Address == f.Address && o.Name == f.Name })
	d.files = append(d.files, f)
	slices.SortFunc(d.files, func(a, b DeviceFile) int {
		return cmp.Or(cmp.Compare(a.Address, b.Address), cmp.Compare(a.Name, b.Name))
	})
	packed, err := d.profile().NewDirectories(asdu.Header{Cause: asdu.Spontaneous, CommonAddress: d.cfg.CommonAddress}, []asdu.DirectoryEntry{d.entry(f)})
	if err != nil {
		return err
	}
	return d.line.push(packed[0])
}

func (d *Device) entry(f DeviceFile) asdu.DirectoryEntry {
	return asdu.DirectoryEntry{Address: f.Address, Name: f.Name, Length: uint32(len(f.Content)), Time: asdu.NewCP56Time2a(f.Time, d.cfg.Location)}
}

// FilesOpened is how often a file was selected.
func (d *Device) FilesOpened() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.opened
}

// fileSource is the device as iec104.FileSource.
type fileSource Device

func (s *fileSource) Directory(asdu.CommonAddress) (entries []asdu.DirectoryEntry, ok bool) {
	d := (*Device)(s)
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, f := range d.files {
		entries = append(entries, d.entry(f))
	}
	return entries, true
}

func (s *fileSource) Open(_ asdu.CommonAddress, k filetransfer.Key) (filetransfer.File, bool) {
	d := (*Device)(s)
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, f := range d.files {
		if f.Address == k.Address && f.Name == k.Name {
			d.opened++
			return filetransfer.File{Content: bytes.NewReader(f.Content), Length: uint32(len(f.Content)), Time: d.entry(f).Time}, true
		}
	}
	return filetransfer.File{}, false
}
