package api

// Caller says who asks, as GET /v1/whoami and a login answer it.
type Caller struct {
	Name string `json:"name"`
	Role string `json:"role"` // viewer, operator, engineer or admin; of a node: node
	Kind string `json:"kind"` // user | token | certificate | node | local
}

// LoginRequest is the body of a login.
type LoginRequest struct {
	Name     string `json:"name"`
	Password string `json:"password"`
}

// FirstAdminRequest is the body of the first user of a new station, who is made with the token that its nodes were installed with.
type FirstAdminRequest struct {
	Token    string `json:"token"`
	Name     string `json:"name"`
	Password string `json:"password"`
}

// PasswordRequest is the body of a change of a password: of one's own with the one up to now, of another user's without.
type PasswordRequest struct {
	Old string `json:"old,omitempty"`
	New string `json:"new"`
}

// User is a person with a password.
type User struct {
	Name      string `json:"name"`
	Role      string `json:"role"`
	CreatedMs int64  `json:"created_ms"`
	ExpiresMs int64  `json:"expires_ms"` // 0: never
	UsedMs    int64  `json:"used_ms"`    // newest login; 0: never
	Expired   bool   `json:"expired"`
	Sessions  int    `json:"sessions"` // that are open
}

// UserRequest is the body of a new user, and of a change of one: there fields that are empty stay as they are.
type UserRequest struct {
	Name      string `json:"name,omitempty"`
	Role      string `json:"role,omitempty"`
	Password  string `json:"password,omitempty"`
	ExpiresMs *int64 `json:"expires_ms,omitempty"` // 0: never
}

// Token is a program's way in.
type Token struct {
	Name      string `json:"name"`
	Role      string `json:"role"`
	Source    string `json:"source"`     // station: known to all nodes; file: of this node's tokens.yaml
	CreatedMs int64  `json:"created_ms"` // 0: not known
	ExpiresMs int64  `json:"expires_ms"` // 0: never
	UsedMs    int64  `json:"used_ms"`    // some minutes late; 0: never, or not known
	Expired   bool   `json:"expired"`
}

// TokenRequest is the body of a new token.
type TokenRequest struct {
	Name      string `json:"name"`
	Role      string `json:"role"`
	ExpiresMs int64  `json:"expires_ms,omitempty"` // 0: never
}

// NewToken is a token that was made. The secret is told this once and kept nowhere.
type NewToken struct {
	Name   string `json:"name"`
	Role   string `json:"role"`
	Secret string `json:"token"`
}

// Revocation is a certificate that is out of force: that with the serial number, or all of the name that were issued by then.
type Revocation struct {
	Serial string `json:"serial,omitempty"` // hexadecimal
	Name   string `json:"name,omitempty"`
	Reason string `json:"reason,omitempty"`
	By     string `json:"by"`
	AtMs   int64  `json:"at_ms"`
}

// RevokeRequest is the body of a revocation: a serial number or a name.
type RevokeRequest struct {
	Serial string `json:"serial,omitempty"`
	Name   string `json:"name,omitempty"`
	Reason string `json:"reason,omitempty"`
}

// MinPassword and MaxPassword bound a password, in octets. bcrypt takes no more.
const (
	MinPassword = 10
	MaxPassword = 72
)
