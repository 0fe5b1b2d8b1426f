// Package models keeps the weights of the engines on disk: what is installed, where the files of a model are, whether
// they are still what they were.
//
// Below the models directory each model has a folder with its files and installed.json, which lists them with sizes
// and SHA-256 as they were when they came. A model appears and disappears by a rename, so that an engine never sees
// half of one. The directory may be changed by the server and by the command line at once: changes hold a lock of the
// file system, and a reader notices that installed.json is another one.
package models
