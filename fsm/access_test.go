package fsm

import (
	"fmt"
	"strings"
	"testing"

	"github.com/fepha/fepha/fsm/internal/access"
)

func TestUsersAndTokens(t *testing.T) {
	base := []string{"ops user alice new role=admin hash=h", "ops user bob new role=viewer hash=h", "ops token hmi role=operator secret=s"}
	role := func(name string, want Role) func(*testing.T, *State) {
		return func(t *testing.T, s *State) {
			t.Helper()
			u, _ := s.Access().User(name)
			mustEqual(t, "role", u.Role, want)
		}
	}
	sessions := func(want int) func(*testing.T, *State) {
		return func(t *testing.T, s *State) {
			t.Helper()
			mustEqual(t, "sessions", len(s.Access().Sessions()), want)
		}
	}
	many := func(n int, format string) (lines []string) {
		for i := range n {
			lines = append(lines, fmt.Sprintf(format, i))
		}
		return lines
	}
	runCases(t, base, []commandCase{
		{name: "another user", do: "ops user carol new role=engineer hash=h", check: role("carol", Engineer)},
		{name: "the same user again", do: "ops user alice new role=admin hash=h", code: duplicate},
		{name: "another of the name", do: "ops user alice new role=admin hash=other", code: conflict, say: "there is a user alice already"},
		{name: "without role", do: "ops user carol new hash=h", code: invalid, say: "expected a role and a password"},
		{name: "without password", do: "ops user carol new role=admin", code: invalid, say: "expected a role and a password"},
		{name: "no such role", do: "ops user carol new role=9 hash=h", code: invalid, say: "no role 9"},
		{name: "a role below none", do: "ops user carol new role=-1 hash=h", code: invalid, say: "no role -1"},
		{name: "a role that an octet would take for admin", do: "ops user carol new role=260 hash=h", code: invalid, say: "no role 260"},
		{name: "long hash", do: "ops user carol new role=admin hash=" + strings.Repeat("h", access.MaxHash+1), code: invalid, say: "257 octets"},
		{name: "name with a slash", do: "ops user a/b new role=admin hash=h", code: invalid, say: "expected 1 to 64 octets of letters"},
		{name: "name that moves a cursor", do: "ops user \x1b[2J new role=admin hash=h", code: invalid, say: `"\x1b[2J"`},
		{name: "name that turns text around", do: "ops user a\u202eb new role=admin hash=h", code: invalid, say: "expected 1 to 64 octets of letters"},
		{name: "name of another script", do: "ops user 值班员 new role=operator hash=h", check: role("值班员", Operator)},
		{name: "too many users", after: many(access.MaxUsers-2, "ops user u%d new role=viewer hash=h"), do: "ops user one new role=viewer hash=h", code: conflict, say: "256 users"},

		{name: "another role", do: "ops user bob role=operator", check: role("bob", Operator)},
		{name: "the same role", do: "ops user bob role=viewer", code: duplicate},
		{name: "another role for nobody", do: "ops user carol role=viewer", code: notFound, say: "there is no user carol"},
		{name: "another role, of a user who has changed", do: "ops user bob role=operator revision=1", code: conflict, say: "changed just now"},
		{name: "another role ends the sessions", after: []string{"ops login bob session=a revision=2", "ops login alice session=b revision=1"}, do: "ops user bob role=operator", check: sessions(1)},
		{name: "another password ends the sessions", after: []string{"ops login bob session=a revision=2"}, do: "ops user bob hash=other", check: sessions(0)},
		{name: "another end ends the sessions", after: []string{"ops login bob session=a revision=2"}, do: "ops user bob end=50", check: sessions(0)},
		{name: "removed", after: []string{"ops login bob session=a revision=2", "ops login alice session=b revision=1"}, do: "ops user-remove bob", check: sessions(1)},
		{name: "removed again", after: []string{"ops user-remove bob"}, do: "ops user-remove bob", code: notFound},

		{name: "another token", do: "ops token scada role=viewer secret=t end=9", check: func(t *testing.T, s *State) {
			k, found := s.Access().Token([32]byte(hashOf("t")))
			mustEqual(t, "found", found, true)
			mustEqual(t, "token", fmt.Sprintln(k.Name, k.Role, k.Expired(scriptStart+8999), k.Expired(scriptStart+9000)), "scada viewer false true\n")
		}},
		{name: "the same token again", do: "ops token hmi role=operator secret=s", code: duplicate},
		{name: "its secret under another name", do: "ops token other role=operator secret=s", code: conflict, say: "token hmi has that secret"},
		{name: "its name with another secret", do: "ops token hmi role=operator secret=t", code: conflict, say: "there is a token hmi"},
		{name: "token without secret", do: "ops token other role=operator", code: invalid, say: "0 octets"},
		{name: "token without role", do: "ops token other secret=t", code: invalid, say: "role 0"},
		{name: "token with a name of control characters", do: "ops token a\x07 role=viewer secret=t", code: invalid},
		{name: "too many tokens", after: many(access.MaxTokens-1, "ops token t%[1]d role=viewer secret=x%[1]d"), do: "ops token one role=viewer secret=one", code: conflict, say: "1024 tokens"},
		{name: "token revoked", do: "ops token-remove hmi", check: func(t *testing.T, s *State) { mustEqual(t, "tokens", len(s.Access().Tokens()), 0) }},
		{name: "token revoked again", after: []string{"ops token-remove hmi"}, do: "ops token-remove hmi", code: notFound},
	})
}

// The first admin's token makes one user, once, before it ends and before there are others.
func TestFirstAdmin(t *testing.T) {
	offered := []string{"fep1 first-admin secret=s end=100"}
	spent := func(want bool) func(*testing.T, *State) {
		return func(t *testing.T, s *State) {
			t.Helper()
			f, ok := s.Access().FirstAdmin()
			mustEqual(t, "there is one", ok, true)
			mustEqual(t, "spent", f.Spent, want)
		}
	}
	runCases(t, offered, []commandCase{
		{name: "offered by another node too", do: "fep2 first-admin secret=s end=100", code: duplicate, check: spent(false)},
		{name: "another", do: "fep2 first-admin secret=t end=100", code: conflict, say: "has had a token of a first admin"},
		{name: "without secret", do: "fep2 first-admin end=100", code: invalid, say: "0 octets"},
		{name: "without end", do: "fep2 first-admin secret=s", code: invalid, say: "end 0"},
		{name: "used", do: "ops user alice new role=admin hash=h first=s", check: spent(true)},
		{name: "used, and proposed again", after: []string{"ops user alice new role=admin hash=h first=s"}, do: "ops user alice new role=admin hash=h first=s", code: duplicate},
		{name: "used twice", after: []string{"ops user alice new role=admin hash=h first=s"}, do: "ops user bob new role=admin hash=h first=s", code: conflict, say: "was used"},
		{name: "used, and the user removed", after: []string{"ops user alice new role=admin hash=h first=s", "ops user-remove alice"}, do: "ops user bob new role=admin hash=h first=s", code: conflict, say: "was used"},
		{name: "a user made otherwise spends it", do: "ops user bob new role=viewer hash=h", check: spent(true)},
		{name: "the wrong one", do: "ops user alice new role=admin hash=h first=t", code: conflict, say: "is wrong", check: spent(false)},
		{name: "ended", after: []string{"at 100000"}, do: "ops user alice new role=admin hash=h first=s", code: conflict, say: "has ended"},
		{name: "just not ended", after: []string{"at 99999"}, do: "ops user alice new role=admin hash=h first=s", check: spent(true)},
		{name: "for another role", do: "ops user alice new role=engineer hash=h first=s", code: invalid, say: "expected a new admin", check: spent(false)},
		{name: "for a change", after: []string{"ops user alice new role=viewer hash=h"}, do: "ops user alice role=admin first=s", code: invalid, say: "expected a new admin"},
	})
	runCases(t, []string{"ops user alice new role=admin hash=h"}, []commandCase{
		{name: "offered to a station with users", do: "fep1 first-admin secret=s end=100", code: conflict, say: "has users already"},
	})
	runCases(t, nil, []commandCase{
		{name: "used where there is none", do: "ops user alice new role=admin hash=h first=s", code: conflict, say: "is wrong"},
	})
}

func TestSessions(t *testing.T) {
	base := []string{"ops user alice new role=admin hash=h end=5000", "ops user bob new role=viewer hash=h", "ops login alice session=a revision=1 from=10.0.0.7"}
	open := func(want string) func(*testing.T, *State) {
		return func(t *testing.T, s *State) {
			t.Helper()
			var got []string
			for _, x := range s.Access().Sessions() {
				got = append(got, x.User+" "+seconds(x.UsedMs))
			}
			mustEqual(t, "sessions", strings.Join(got, ", "), want)
		}
	}
	ofAlice := func(n int) (lines []string) {
		for i := range n {
			lines = append(lines, fmt.Sprintf("at %d", i+1), fmt.Sprintf("ops login alice session=a%d revision=1", i))
		}
		return lines
	}
	idle := fmt.Sprint("at ", SessionIdleMs)
	runCases(t, base, []commandCase{
		{name: "another", do: "ops login bob session=b revision=2", check: open("alice 0.000s, bob 0.000s")},
		{name: "again", do: "ops login alice session=a revision=1", code: duplicate},
		{name: "of nobody", do: "ops login carol session=c revision=1", code: notFound},
		{name: "with a former password", do: "ops login bob session=b revision=1", code: conflict, say: "changed just now"},
		{name: "of one whose time is over", after: []string{"at 5000000"}, do: "ops login alice session=b revision=1", code: conflict, say: "has ended"},
		{name: "without id", do: "ops login bob revision=2", code: invalid, say: "0 octets"},
		{name: "used", do: "ops used a=7 b=8", check: open("alice 7.000s")},
		{name: "used earlier than known", after: []string{"ops used a=7"}, do: "ops used a=6", check: open("alice 7.000s")},
		{name: "logged out", do: "ops logout session=a", check: open("")},
		{name: "logged out again", after: []string{"ops logout session=a"}, do: "ops logout session=a", code: duplicate},
		{name: "logged out without id", do: "ops logout", code: invalid},
		{name: "the unused one goes", after: []string{idle}, do: "ops login bob session=b revision=2", check: open("bob 1800.000s")},
		{name: "the used one stays", after: []string{"ops used a=1", idle}, do: "ops login bob session=b revision=2", check: open("alice 1.000s, bob 1800.000s")},
		{name: "of one user no more than 16: the oldest goes", after: ofAlice(15), do: "ops login alice session=z revision=1", check: func(t *testing.T, s *State) {
			mustEqual(t, "sessions", len(s.Access().Sessions()), access.MaxOfUser)
			_, _, found := s.Access().Session([32]byte(hashOf("a")))
			mustEqual(t, "the oldest is there", found, false)
		}},
	})
}

// A page goes on at another node by a code that its session was given: once, while the session is in force.
func TestSessionsGoOnAtAnotherNode(t *testing.T) {
	base := []string{"fep1 user alice new role=admin hash=h end=5000", "fep1 login alice session=a revision=1 from=10.0.0.7", "fep1 code session=a code=c"}
	open := func(want string) func(*testing.T, *State) {
		return func(t *testing.T, s *State) {
			t.Helper()
			var got []string
			for _, id := range []string{"a", "b", "c", "d"} {
				if x, u, ok := s.Access().Session([32]byte(hashOf(id))); ok {
					got = append(got, fmt.Sprint(id, " ", u.Name, " ", x.Node, " ", len(x.Codes)))
				}
			}
			mustEqual(t, "sessions", strings.Join(got, ", "), want)
		}
	}
	var many []string
	for i := range access.MaxCodes {
		many = append(many, fmt.Sprintf("fep1 code session=a code=%d", i))
	}
	runCases(t, base, []commandCase{
		{name: "taken", do: "fep2 take code=c session=b from=10.0.0.7", check: open("a alice fep1 0, b alice fep2 0")},
		{name: "taken again", after: []string{"fep2 take code=c session=b"}, do: "wit take code=c session=d", code: notFound, say: "was used", check: open("a alice fep1 0, b alice fep2 0")},
		{name: "the same answer for the same session", after: []string{"fep2 take code=c session=b"}, do: "fep2 take code=c session=b", code: duplicate},
		{name: "never given", do: "fep2 take code=x session=b", code: notFound},
		{name: "after the logout", after: []string{"fep1 logout session=a"}, do: "fep2 take code=c session=b", code: notFound, check: open("")},
		{name: "after another role", after: []string{"fep1 user alice role=viewer"}, do: "fep2 take code=c session=b", code: notFound, check: open("")},
		{name: "after the user's removal", after: []string{"fep1 user-remove alice"}, do: "fep2 take code=c session=b", code: notFound},
		{name: "too late", after: []string{"at 300000"}, do: "fep2 take code=c session=b", code: conflict, say: "has ended", check: open("a alice fep1 1")},
		{name: "just in time", after: []string{"at 299999"}, do: "fep2 take code=c session=b", check: open("a alice fep1 0, b alice fep2 0")},
		{name: "of one whose time is over", after: []string{"at 4999000", "fep1 used a=4999", "fep1 code session=a code=e", "at 5000000"}, do: "fep2 take code=e session=b", code: conflict},
		{name: "of an idle session", after: []string{"at 1799000", "fep1 code session=a code=e", "at 1801000"}, do: "fep2 take code=e session=b", code: conflict},
		{name: "one logout ends all", after: []string{"fep2 take code=c session=b", "fep2 code session=b code=e", "wit take code=e session=d"}, do: "wit logout session=d", check: open("")},
		{name: "back again takes the place of what was there", after: []string{"fep2 take code=c session=b", "fep2 code session=b code=e"}, do: "fep1 take code=e session=d", check: open("b alice fep2 0, d alice fep1 0")},
		{name: "another login stays", after: []string{"fep2 login alice session=d revision=1"}, do: "fep2 take code=c session=b", check: open("a alice fep1 0, b alice fep2 0, d alice fep2 0")},
		{name: "too many: the oldest goes", after: many, do: "fep2 take code=c session=b", code: notFound, check: open("a alice fep1 16")},
		{name: "ended ones make room", after: append(many[1:], "at 400000"), do: "fep1 code session=a code=z", check: open("a alice fep1 1")},
		{name: "of no session", do: "fep1 code session=x code=z", code: notFound, say: "has ended"},
		{name: "without session", do: "fep1 code code=z", code: invalid, say: "0 octets"},
		{name: "without code", do: "fep2 take session=b", code: invalid, say: "0 octets"},
	})
}

func TestRevokedCertificates(t *testing.T) {
	base := []string{"at 10", "ops revoke name=fep2", "ops revoke serial=a1"}
	revoked := func(serial, name string, issued int64, want bool) func(*testing.T, *State) {
		return func(t *testing.T, s *State) {
			t.Helper()
			_, got := s.Access().RevokedBy(serial, name, scriptStart+issued)
			mustEqual(t, "revoked", got, want)
		}
	}
	x := newScripted(t).ok(base...)
	for _, c := range []struct {
		serial, name string
		issued       int64
		want         bool
	}{
		{"b2", "fep2", 0, true}, {"b2", "fep2", 10, true}, {"b2", "fep2", 11, false}, {"b2", "fep1", 0, false},
		{"a1", "fep1", 99, true}, {"a11", "fep1", 0, false}, {"", "", 0, false},
	} {
		revoked(c.serial, c.name, c.issued, c.want)(t, x.s)
	}
	runCases(t, base, []commandCase{
		{name: "by name again, later", after: []string{"at 20"}, do: "ops revoke name=fep2", check: revoked("b2", "fep2", 20, true)},
		{name: "by name again, at once", do: "ops revoke name=fep2", code: duplicate},
		{name: "by serial number again", after: []string{"at 20"}, do: "ops revoke serial=a1", code: duplicate},
		{name: "nothing", do: "ops revoke", code: invalid, say: "expected one of both"},
		{name: "both", do: "ops revoke name=a serial=a", code: invalid, say: "expected one of both"},
		{name: "a serial number in capitals", do: "ops revoke serial=A1", code: invalid, say: "hexadecimal digits in lower case"},
		{name: "a serial number with a leading zero", do: "ops revoke serial=0a1", code: invalid, say: "leading zeros"},
		{name: "a name that rings", do: "ops revoke name=a\x07", code: invalid, say: `"a\a"`},
	})
}

func TestRolesAreOrderedAndNamed(t *testing.T) {
	for i, name := range []string{"viewer", "operator", "engineer", "admin"} {
		r, err := ParseRole(name)
		if err != nil || r != Role(i+1) || r.String() != name {
			t.Errorf("%s: got %d, %s, %v", name, r, r, err)
		}
	}
	for _, name := range []string{"", "none", "root", "Admin"} {
		if r, err := ParseRole(name); err == nil || r != NoRole {
			t.Errorf("%q: got %s, expected an error", name, r)
		}
	}
}
