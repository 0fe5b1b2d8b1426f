package httpapi

// limitSentences say what a connection or a request takes too much of.
var limitSentences = map[string]string{
	"Too many connections": "Conexões demais",
	"too little of the request arrived within %.0f s: send it again, or change http.read_timeout and http.min_rate":                             "chegou pouco demais do pedido em %s s: envie de novo ou mude http.read_timeout e http.min_rate",
	"the studio has as many connections as server.max_connections and server.max_connections_per_address allow: close some, or try again later": "o estúdio já tem tantas conexões quanto server.max_connections e server.max_connections_per_address permitem: feche algumas ou tente mais tarde",
}
