// Command pulumi-resource-random is the random resource plugin.
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
	tfbridge.Main(context.Background(), "random", bridged.Random(), tfbridge.ProviderMetadata{PackageSchema: schema})
}
