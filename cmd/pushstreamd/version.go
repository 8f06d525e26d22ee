package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/pushstream/pushstream/pkg/sse"
)

// versionText says what this is a build of, as far as the build knows. info may be nil.
func versionText(info *debug.BuildInfo) string {
	version, revision, state := "unknown", "", ""
	if info != nil {
		version = info.Main.Version
		for _, s := range info.Settings {
			switch {
			case s.Key == "vcs.revision":
				revision = s.Value
			case s.Key == "vcs.modified" && s.Value == "true":
				state = " with changes"
			}
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "pushstreamd %s\n", version)
	if revision != "" {
		fmt.Fprintf(&b, "revision %s%s\n", revision, state)
	}
	fmt.Fprintf(&b, "%s %s/%s\n", runtime.Version(), runtime.GOOS, runtime.GOARCH)
	fmt.Fprintf(&b, "wire protocol %d\n", sse.Protocol)
	return b.String()
}
