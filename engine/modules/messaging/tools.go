//go:build tools

// Package messaging pins what the contract tests of messaging run.
package messaging

import _ "github.com/nats-io/nats-server/v2"
