// Command pulumi-resource-tls is the tls resource plugin.
package main

import (
	"context"
	_ "embed"

	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/pf/tfbridge"

	"clawfleet/toolchain/bridged"
)

//go:embed schema.json
var schema []byte

func main() {
	tfbridge.Main(context.Background(), "tls", bridged.TLS(), tfbridge.ProviderMetadata{PackageSchema: schema})
}
