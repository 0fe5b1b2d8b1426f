// Package e2e shakes whole studios: real `apibr` processes, real Postgres, real sidecars, real ffmpeg, over HTTP as a
// client would. Each test breaks one thing on purpose and checks that nothing is lost and nothing is made twice.
package e2e
