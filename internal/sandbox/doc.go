// Package sandbox starts the programs that read what strangers made: models' processes and ffmpeg.
//
// A file from the network may take such a program over. So each starts without the right to gain rights (no_new_privs),
// without Unix sockets (the studio's database, a desktop session, Docker and ssh-agent all listen on one) and, where
// the kernel has Landlock, without the studio's secrets: it reads nothing below the policy's hidden paths but what the
// policy gives back, and writes only where the policy says. Nothing here needs root, a daemon or a namespace.
//
// The restrictions are put on one operating-system thread that starts the program and waits for it: Linux keeps them
// per thread and hands them on to children. The thread lives as long as the program, because the parent-death signal
// follows the thread that forked.
//
// Processes that a program leaves running are found too: the server becomes the reaper of its descendants
// (BecomeReaper), and EndStrays ends those that were handed to it, whatever session or group they fled to.
package sandbox
