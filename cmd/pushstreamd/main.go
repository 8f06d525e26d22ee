// Command pushstreamd is one node of PushStream.
//
// It exits with 0 when it has done what it was asked to, with 1 when that failed, and with 2 when the command line or the
// configuration is wrong. Its commands that are clients of a node have 3 and 4 besides.
package main

import (
	"context"
	"os"

	"github.com/pushstream/pushstream/internal/app"
)

func main() {
	p := program{stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, environ: os.Environ(), signals: systemSignals, run: app.Run}
	os.Exit(p.main(context.Background(), os.Args[1:]))
}
