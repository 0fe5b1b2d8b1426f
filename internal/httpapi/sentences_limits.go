package httpapi

// limitSentences say what a connection or a request takes too much of.
var limitSentences = map[string]string{
	"the JSON body is larger than %d bytes, data: URIs not counted: raise http.max_text_bytes or send files as multipart/form-data": "o corpo JSON tem mais de %s bytes, sem contar as data: URIs: aumente http.max_text_bytes ou envie os arquivos como multipart/form-data",
	"the texts of the form are longer than %d bytes: raise http.max_text_bytes, or send files with a filename":                      "os textos do formulário têm mais de %s bytes: aumente http.max_text_bytes, ou envie os arquivos com um nome de arquivo",
	"the JSON holds more than %d values: send less in one request":                                                                  "o JSON tem mais de %s valores: envie menos em um pedido",
	"the JSON is nested more than %d levels deep":                                                                                   "o JSON tem mais de %s níveis de profundidade",
	"an object in the JSON has more than %d fields":                                                                                 "um objeto no JSON tem mais de %s campos",
	"the body is not valid UTF-8: save or send it as UTF-8":                                                                         "o corpo não é UTF-8 válido: salve ou envie como UTF-8",
	"a data: URI in the body holds an escape that JSON does not know":                                                               "uma data: URI no corpo tem um escape que o JSON não conhece",
	"%s takes no data: URI": "%s não aceita data: URI",
	"%d sockets and event streams of yours are open, as many as http.max_streams allows: close some first": "você tem %s sockets e fluxos de eventos abertos, quantos http.max_streams permite: feche alguns antes",
	"Unknown host": "Servidor desconhecido",
	"the studio is not known as %q: open it by its own address, or add the name to server.allowed_hosts": "o estúdio não é conhecido como %s: abra-o pelo endereço dele, ou inclua o nome em server.allowed_hosts",
	"Too many connections": "Conexões demais",
	"too little of the request arrived within %.0f s: send it again, or change http.read_timeout and http.min_rate":                             "chegou pouco demais do pedido em %s s: envie de novo ou mude http.read_timeout e http.min_rate",
	"the studio has as many connections as server.max_connections and server.max_connections_per_address allow: close some, or try again later": "o estúdio já tem tantas conexões quanto server.max_connections e server.max_connections_per_address permitem: feche algumas ou tente mais tarde",
}
