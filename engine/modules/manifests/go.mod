module clawfleet/manifests

go 1.26.0

// Only files are read from them.
require (
	// v1.3.2 is the newest that is a Go module: the path of v2 lacks the /v2 that Go asks for.
	github.com/external-secrets/external-secrets v1.3.2
	// v2's modules are on no module proxy that we know of; its Stack has every field of v1's.
	github.com/pulumi/pulumi-kubernetes-operator v1.16.0
	// v1.7.0 is newer, but Go 1.26, which builds everything else here, refuses its go.mod.
	sigs.k8s.io/gateway-api v1.6.3
)
