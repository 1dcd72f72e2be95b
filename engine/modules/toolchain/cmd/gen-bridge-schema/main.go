// Command gen-bridge-schema writes cmd/pulumi-resource-<name>/schema.json for
// the bridged providers. Run it from the module's root before building them.
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/pf/tfgen"

	"clawfleet/toolchain/bridged"
)

func main() {
	for name, info := range bridged.All() {
		out, err := tfgen.GenerateSchema(context.Background(), tfgen.GenerateSchemaOptions{ProviderInfo: info, XInMemoryDocs: true})
		if err == nil {
			err = os.WriteFile(filepath.Join("cmd", "pulumi-resource-"+name, "schema.json"), out.ProviderMetadata.PackageSchema, 0o644)
		}
		if err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
			os.Exit(1)
		}
	}
}
