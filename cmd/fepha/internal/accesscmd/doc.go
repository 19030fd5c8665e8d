// Package accesscmd has the commands that say who may do what: certificates, users, tokens.
package accesscmd
