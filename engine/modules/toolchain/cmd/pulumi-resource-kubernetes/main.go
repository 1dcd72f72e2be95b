// Command pulumi-resource-kubernetes is the kubernetes resource plugin. The
// upstream main embeds files that its Go module lacks, so this one embeds the
// two JSON files that the build copies out of the module.
package main

import (
	_ "embed"

	"github.com/pulumi/pulumi-kubernetes/provider/v4/pkg/provider"
	"github.com/pulumi/pulumi-kubernetes/provider/v4/pkg/version"
)

//go:embed schema.json
var schema []byte

//go:embed terraform-mapping.json
var mapping []byte

func main() {
	provider.Serve("kubernetes", version.Version, schema, mapping)
}
