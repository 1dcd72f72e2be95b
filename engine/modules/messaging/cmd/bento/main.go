// Bento with the components alone that the message relay uses: the complete one takes 20 minutes to build.
package main

import (
	"context"

	"github.com/warpstreamlabs/bento/public/service"

	_ "github.com/warpstreamlabs/bento/public/components/io"
	_ "github.com/warpstreamlabs/bento/public/components/nats"
	_ "github.com/warpstreamlabs/bento/public/components/prometheus"
	_ "github.com/warpstreamlabs/bento/public/components/pure"
)

// Version is set by the linker.
var Version string

func main() {
	service.RunCLI(
		context.Background(),
		service.CLIOptSetVersion(Version, ""),
		service.CLIOptSetBinaryName("bento"),
		service.CLIOptSetShowRunCommand(true),
	)
}
