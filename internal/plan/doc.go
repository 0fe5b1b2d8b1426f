// Package plan decides how a model is loaded so that it fits the machine: which variant, how much of it stays on the
// card, how finely attention is cut, how many pictures are made at once.
//
// A plan starts as the manifest's and is corrected by the peaks that runs on this machine had. When it does not fit,
// the fallbacks are tried in order: a smaller attention slice, fewer pictures at a time, streamed blocks, a smaller
// variant. A request that does not fit with the last one either is refused, with the numbers and the nearest size that
// fits.
package plan
