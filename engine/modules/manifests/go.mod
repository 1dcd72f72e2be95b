module clawfleet/manifests

go 1.26.0

// Only files are read from it. v1.7.0 is newer, but Go 1.26, which builds everything else here, refuses its go.mod.
require sigs.k8s.io/gateway-api v1.6.3
