package doctor

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/fepha/fepha/configs"
	"github.com/fepha/fepha/node/watch"
)

// mostErrors is how many errors of a configuration are told one by one: `fepha config check` has all of them.
const mostErrors = 10

func checkConfiguration(file string, s *configs.Station, err error) (lines []Line) {
	const all = "correct it; 'fepha config check' lists everything"
	if list, ok := errors.AsType[*configs.Errors](err); ok {
		for _, e := range list.List[:min(len(list.List), mostErrors)] {
			lines = append(lines, wrong("configuration", file, all, "%s", e.Error()))
		}
		if more := list.Total - len(lines); more > 0 {
			lines = append(lines, wrong("configuration", file, all, "and %d more errors", more))
		}
		return lines
	}
	if err != nil {
		return []Line{wrong("configuration", file, "name station.yaml with --config, as a user who may read it", "it can't be read: %v", err)}
	}
	for _, e := range s.Warnings.List[:min(len(s.Warnings.List), mostErrors)] {
		lines = append(lines, doubtful("configuration", file, all, "%s", e.Error()))
	}
	points := 0
	for i := range s.RTUs {
		points += len(s.RTUs[i].Points)
	}
	return append(lines, good("configuration", file, "station %d %q: %d RTUs, %d points, %d uplinks, %d exports, no error",
		s.ID, s.Name, len(s.RTUs), points, len(s.Uplinks), len(s.Exports)))
}

// files looks at certificates, keys, passwords and tokens, and at who may read them.
func (p *patient) files() (lines []Line) {
	errs, warnings := watch.CheckFiles(p.station, time.Now())
	lines = checkFiles(p.station, errs, warnings)
	who, err := serviceUser(p.dataDir, p.insecure())
	if err != nil {
		return append(lines, unchecked("permissions", "", "%v", err))
	}
	for _, f := range append([]string{p.File}, p.tables()...) {
		lines = appendBad(lines, checkReadable(f, who, stat))
	}
	for _, f := range p.station.Named {
		lines = appendBad(lines, checkReadable(f.Path, who, stat))
	}
	if len(lines) == 0 || !slices.ContainsFunc(lines, func(l Line) bool { return l.Check == "permissions" }) {
		lines = append(lines, good("permissions", "", "the user %s can read station.yaml and all %d files that it names", who.name, len(p.tables())+len(p.station.Named)))
	}
	return append(lines, checkDataDir(p.dataDir, who, stat))
}

// tables are the paths of the tables that the configuration has read.
func (p *patient) tables() (paths []string) {
	for _, name := range p.station.Files[1:] {
		if !filepath.IsAbs(name) {
			name = filepath.Join(filepath.Dir(p.File), name)
		}
		paths = append(paths, name)
	}
	return paths
}

func checkFiles(s *configs.Station, errs, warnings []configs.Error) (lines []Line) {
	for _, e := range errs {
		lines = append(lines, wrong("certificates", e.File, "put there what is expected: 'fepha tls init' makes certificates", "%s", e.Error()))
	}
	for _, e := range warnings {
		lines = append(lines, doubtful("certificates", e.File, "see to it before it ends, or is misused", "%s", e.Error()))
	}
	switch {
	case len(lines) > 0:
	case len(s.Named) == 0:
		lines = append(lines, good("certificates", "", "the configuration names no key or certificate: it is for one machine alone"))
	default:
		lines = append(lines, good("certificates", "", "%d files (keys, certificates, passwords, tokens) are there, belong together, and last 30 days at least", len(s.Named)))
	}
	return lines
}

// appendBad leaves out what is good: a line for each file would hide the others.
func appendBad(lines []Line, l Line) []Line {
	if l.Verdict == Good {
		return lines
	}
	return append(lines, l)
}

// account is a user of this machine.
type account struct {
	name   string
	uid    int
	groups []int
}

// serviceUser is who the node runs as: whom the data folder belongs to, or the user fepha, or, where there is neither, whoever looks:
// that is a trial on one machine.
func serviceUser(dataDir string, trial bool) (account, error) {
	u, err := user.Lookup("fepha")
	if info, e := os.Stat(dataDir); e == nil {
		if f, e := stat(dataDir); e == nil && info.IsDir() {
			u, err = user.LookupId(strconv.Itoa(f.uid))
		}
	} else if err != nil && trial {
		u, err = user.Current()
	}
	if err != nil {
		return account{}, fmt.Errorf("which user the node runs as isn't known: there is neither its data folder %s nor a user fepha", dataDir)
	}
	a := account{name: u.Username}
	a.uid, err = strconv.Atoi(u.Uid)
	if err != nil {
		return a, err
	}
	groups, err := u.GroupIds()
	for _, g := range groups {
		if n, e := strconv.Atoi(g); e == nil {
			a.groups = append(a.groups, n)
		}
	}
	return a, err
}

// fileFacts are what rights depend on.
type fileFacts struct {
	mode     fs.FileMode
	uid, gid int
}

// may tells whether an account has the rights of one octal digit: 4 read, 2 write, 1 enter.
func (f fileFacts) may(a account, rights fs.FileMode) bool {
	switch {
	case a.uid == 0:
		return true
	case a.uid == f.uid:
		return f.mode.Perm()>>6&rights == rights
	case slices.Contains(a.groups, f.gid):
		return f.mode.Perm()>>3&rights == rights
	}
	return f.mode.Perm()&rights == rights
}

// reaches tells which folder above a path keeps an account out; "": none.
func reaches(path string, a account, stat func(string) (fileFacts, error)) (closed string, err error) {
	for dir := filepath.Dir(path); ; dir = filepath.Dir(dir) {
		f, err := stat(dir)
		if err != nil {
			return "", err
		}
		if !f.may(a, 1) {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", nil
		}
	}
}

func checkReadable(path string, a account, stat func(string) (fileFacts, error)) Line {
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	f, err := stat(path)
	if err != nil {
		return unchecked("permissions", path, "%v", err)
	}
	closed, err := reaches(path, a, stat)
	switch {
	case err != nil:
		return unchecked("permissions", path, "%v", err)
	case closed != "":
		return wrong("permissions", path, "chgrp fepha "+closed+" && chmod g+rx "+closed, "the user %s can't enter %s (mode %#o)", a.name, closed, modeOf(closed, stat))
	case !f.may(a, 4):
		return wrong("permissions", path, "chgrp fepha "+path+" && chmod g+r "+path, "the user %s can't read it (mode %#o)", a.name, f.mode.Perm())
	}
	return good("permissions", path, "the user %s can read it", a.name)
}

func modeOf(path string, stat func(string) (fileFacts, error)) fs.FileMode {
	f, _ := stat(path)
	return f.mode.Perm()
}

func checkDataDir(dir string, a account, stat func(string) (fileFacts, error)) Line {
	f, err := stat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return unchecked("permissions", dir, "there is no data folder yet: the unit makes it at the first start")
	}
	if err != nil {
		return unchecked("permissions", dir, "%v", err)
	}
	switch {
	case !f.may(a, 7):
		return wrong("permissions", dir, "chown "+a.name+" "+dir+" && chmod 750 "+dir, "the user %s can't write to the data folder (mode %#o)", a.name, f.mode.Perm())
	case f.mode.Perm()&0o007 != 0:
		return doubtful("permissions", dir, "chmod o= "+dir, "others than the service's user can look into the data folder (mode %#o), which has the hashes of passwords", f.mode.Perm())
	}
	return good("permissions", dir, "the data folder belongs to the user %s, and no other can enter it", a.name)
}
