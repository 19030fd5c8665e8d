// Package access decides who may use a node's API: users with passwords and sessions, tokens, certificates, whoever is on this
// host; and which connections are kept when there are too many. Its handlers administer users, tokens and revocations.
//
// What always holds:
//   - one place decides, Guard.Authorise; without keys only whoever is on this host may;
//   - what changes something is a POST, and is never done for another site's page;
//   - no secret is logged, and none but a new token's is answered;
//   - what whoever may connect can cause is bounded: guesses, lines of the log, entries of the audit, connections.
package access
