"""The speech helper: a program of its own that speaks through libespeak-ng.

This folder alone is GPL-3.0-or-later (COPYING), as that library is. It is started as a process and spoken to over
pipes; nothing else imports it, and it imports nothing of the studio.

SPDX-License-Identifier: GPL-3.0-or-later
"""
