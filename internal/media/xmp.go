package media

import (
	"fmt"
	"regexp"
)

// xmpNamespace is the namespace of the studio's own XMP properties.
const xmpNamespace = "http://ns.apibr.studio/1.0/"

// xmpPacket is the XMP of a mark. It holds no id and no time, so equal pictures stay equal files.
func xmpPacket(m Mark) []byte {
	return fmt.Appendf(nil, `<?xpacket begin="`+"\ufeff"+`" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about=""
    xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
    xmlns:xmp="http://ns.adobe.com/xap/1.0/"
    xmlns:dc="http://purl.org/dc/elements/1.1/"
    xmlns:apibr="%s"
    Iptc4xmpExt:DigitalSourceType="%s"
    xmp:CreatorTool="APIBR Studio"
    apibr:quality="%s">
   <dc:description>
    <rdf:Alt>
     <rdf:li xml:lang="x-default">%s</rdf:li>
    </rdf:Alt>
   </dc:description>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="r"?>`, xmpNamespace, m.Source, m.Quality, description(m))
}

// description is the mark in words, for programs that show a comment and know no XMP.
func description(m Mark) string {
	return fmt.Sprintf("AI-generated media, %s quality, APIBR Studio. Digital source type: %s", m.Quality, m.Source)
}

var (
	xmpSource   = regexp.MustCompile(`Iptc4xmpExt:DigitalSourceType="([^"]*)"`)
	xmpQuality  = regexp.MustCompile(`apibr:quality="([^"]*)"`)
	commentMark = regexp.MustCompile(
		`AI-generated media, (draft|final) quality, APIBR Studio\. Digital source type: (\S+)`,
	)
)

func parseXMP(xmp []byte) Mark {
	var m Mark
	if s := xmpSource.FindSubmatch(xmp); s != nil {
		m.Source = Source(s[1])
	}
	if q := xmpQuality.FindSubmatch(xmp); q != nil {
		m.Quality = Quality(q[1])
	}
	return m
}

func parseComment(text string) Mark {
	if f := commentMark.FindStringSubmatch(text); f != nil {
		return Mark{Quality: Quality(f[1]), Source: Source(f[2])}
	}
	return Mark{}
}
