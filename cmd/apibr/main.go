// Command apibr is APIBR Studio.
package main

import (
	"os"

	"github.com/apibr/studio/internal/cli"
)

func main() { os.Exit(cli.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }
