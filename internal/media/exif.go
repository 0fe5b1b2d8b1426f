package media

import "encoding/binary"

// tagOrientation is the one EXIF tag that Clean keeps: without it a phone's portrait would lie on its side.
const tagOrientation = 0x0112

// maxMetaChunk bounds an EXIF or XMP chunk that is read into memory.
const maxMetaChunk = 1 << 20

// exifOrientation reads the orientation 1..8 out of a TIFF block; 1 when it has none or makes no sense.
func exifOrientation(tiff []byte) int {
	if len(tiff) >= 6 && string(tiff[:6]) == "Exif\x00\x00" {
		tiff = tiff[6:]
	}
	if len(tiff) < 8 {
		return 1
	}
	var order binary.ByteOrder
	switch string(tiff[:4]) {
	case "II*\x00":
		order = binary.LittleEndian
	case "MM\x00*":
		order = binary.BigEndian
	default:
		return 1
	}
	at := uint64(order.Uint32(tiff[4:]))
	if at+2 > uint64(len(tiff)) {
		return 1
	}
	entries := uint64(order.Uint16(tiff[at:]))
	for i := range entries {
		e := at + 2 + i*12
		if e+12 > uint64(len(tiff)) {
			return 1
		}
		if order.Uint16(tiff[e:]) == tagOrientation {
			if v := int(order.Uint16(tiff[e+8:])); v >= 1 && v <= 8 {
				return v
			}
			return 1
		}
	}
	return 1
}

// exifOnlyOrientation is a TIFF block that holds the orientation and nothing else.
func exifOnlyOrientation(orientation int) []byte {
	b := []byte{'I', 'I', '*', 0, 8, 0, 0, 0}
	b = binary.LittleEndian.AppendUint16(b, 1) // entries
	b = binary.LittleEndian.AppendUint16(b, tagOrientation)
	b = binary.LittleEndian.AppendUint16(b, 3) // SHORT
	b = binary.LittleEndian.AppendUint32(b, 1) // count
	b = binary.LittleEndian.AppendUint32(b, uint32(orientation))
	return binary.LittleEndian.AppendUint32(b, 0) // no further directory
}
