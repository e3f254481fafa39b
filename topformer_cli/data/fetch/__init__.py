"""Gets a published set from its archives: download, verify, unpack, prepare.

<cache>/downloads/NAME                 a whole archive that was verified; sets may share it
<cache>/downloads/NAME.part            the beginning of one, and
<cache>/downloads/NAME.part.json       what the server said of the file it is the beginning of
<cache>/downloads/NAME.rejected        the last one whose checksum was wrong
<cache>/downloads/ledger.json          what was verified and when, which terms were accepted
<cache>/raw/SET.partial/               being unpacked; begun again after a kill
<cache>/raw/SET.removed/               being removed
<cache>/raw/SET/                       unpacked; removed when the set is prepared
<cache>/downloads/.NAME.lock, <cache>/raw/.SET.lock   freed by the system when their owner dies

A name without .part, .partial, .removed or .rejected always stands for something whole, so a kill
at any moment loses at most the last few kilobytes.
"""
