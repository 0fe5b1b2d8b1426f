"""Brazilian Portuguese abbreviations, units and signs, with the words for them."""

from __future__ import annotations

from .money import Coin

# Followed by anything; the full stop belongs to the abbreviation.
TITLES = {
    "sr": "senhor", "sra": "senhora", "srs": "senhores", "sras": "senhoras", "srta": "senhorita",
    "srtas": "senhoritas",
    "dr": "doutor", "dra": "doutora", "drs": "doutores", "dras": "doutoras", "prof": "professor",
    "profa": "professora",
    "profª": "professora", "profs": "professores", "eng": "engenheiro", "engª": "engenheira",
    "exmo": "excelentíssimo",
    "exma": "excelentíssima", "ilmo": "ilustríssimo", "ilma": "ilustríssima", "av": "avenida", "pça": "praça",
    "pç": "praça", "rod": "rodovia", "trav": "travessa", "al": "alameda", "sta": "santa", "sto": "santo",
    "cel": "coronel",
    "gen": "general", "dep": "deputado", "pres": "presidente", "sen": "senador", "gov": "governador", "pe": "padre",
    "dep.ª": "deputada", "des": "desembargador", "min": "ministro", "ver": "vereador", "arq": "arquiteto",
    "adv": "advogado",
    "brig": "brigadeiro", "mal": "marechal", "ten": "tenente", "maj": "major", "d": "dona", "r": "rua", "s": "são",
}  # fmt: skip

# Meant only where a capital follows: "al." is an alameda, but "ver." may end a sentence, and "R." is an initial too.
BEFORE_NAME = frozenset(
    "brig mal ten maj rod trav al cel gen dep pres sen gov pe des min ver arq adv d r s eng dep.ª".split()
)

# Followed by a number.
BEFORE_NUMBER = {
    "p": "página", "pp": "páginas", "pág": "página", "págs": "páginas", "pag": "página", "pags": "páginas",
    "art": "artigo", "arts": "artigos", "cap": "capítulo", "caps": "capítulos", "fig": "figura", "figs": "figuras",
    "vol": "volume", "vols": "volumes", "n": "número", "no": "número", "núm": "número", "num": "número",
    "ed": "edição",
    "séc": "século", "sécs": "séculos", "tel": "telefone", "cel": "celular", "apto": "apartamento",
    "apt": "apartamento",
    "ap": "apartamento", "bl": "bloco", "inc": "inciso", "tab": "tabela", "ex": "exemplo", "km": "quilômetro",
    "qd": "quadra",
    "lt": "lote", "ref": "referência", "ep": "episódio", "temp": "temporada", "v": "versículo", "vv": "versículos",
    "ss": "seguintes", "ag": "agência", "cj": "conjunto",
}  # fmt: skip

# May also be the last word of a sentence, whose full stop then stays.
ANYWHERE = {
    "etc": "etcétera", "ltda": "limitada", "cia": "companhia", "jr": "júnior", "obs": "observação",
    "aprox": "aproximadamente",
    "máx": "máximo", "mín": "mínimo", "tel": "telefone", "séc": "século", "pág": "página", "a.c": "antes de Cristo",
    "d.c": "depois de Cristo", "p. ex": "por exemplo", "p.ex": "por exemplo", "v. exa": "vossa excelência",
    "v. exª": "vossa excelência", "v. sa": "vossa senhoria", "v. sª": "vossa senhoria", "s. exa": "sua excelência",
    "s.a": "esse á", "vs": "versus", "i.e": "isto é", "e.g": "por exemplo", "ex": "exemplo", "fls": "folhas",
    "proc": "processo", "nasc": "nascimento",
    "end": "endereço", "depto": "departamento", "dept": "departamento", "adm": "administração", "inc": "incorporated",
    "mrs": "missis", "mr": "míster", "p.s": "pê esse", "n.b": "note bem", "hab": "habitantes", "ph.d": "pê agá dê",
}  # fmt: skip
# These may end a sentence before a capital; "cia." does not, since "Ltda." follows.
ENDS_SENTENCE = frozenset("etc ltda jr a.c d.c s.a inc".split())

SLASHED = {
    "e/ou": "e ou", "s/a": "esse á", "c/": "com", "s/": "sem", "p/": "para", "a/c": "aos cuidados de",
    "c/c": "conta corrente", "c/p": "conta poupança", "s/n": "sem número", "n/a": "não se aplica", "n/c": "não consta",
}  # fmt: skip

DOM = frozenset(
    "pedro joão josé manuel sebastião afonso dinis henrique fernando miguel sancho duarte carlos luís paulo".split()
)

MONTH_NAMES = (
    "janeiro", "fevereiro", "março", "abril", "maio", "junho", "julho", "agosto", "setembro", "outubro", "novembro",
    "dezembro",
)  # fmt: skip
MONTHS = {
    "jan": 1, "fev": 2, "mar": 3, "abr": 4, "mai": 5, "jun": 6, "jul": 7, "ago": 8, "set": 9, "out": 10,
    "nov": 11, "dez": 12,
}  # fmt: skip

# Symbol -> (one, many). The gender of the number follows from the word.
# A, B, K, N and J are letters more often: 4K, 2B.
UNITS = {
    "km": ("quilômetro", "quilômetros"), "m": ("metro", "metros"), "cm": ("centímetro", "centímetros"),
    "mm": ("milímetro", "milímetros"), "µm": ("micrômetro", "micrômetros"), "nm": ("nanômetro", "nanômetros"),
    "dm": ("decímetro", "decímetros"), "kg": ("quilo", "quilos"), "Kg": ("quilo", "quilos"),
    "KG": ("quilo", "quilos"),
    "g": ("grama", "gramas"), "mg": ("miligrama", "miligramas"), "µg": ("micrograma", "microgramas"),
    "t": ("tonelada", "toneladas"), "l": ("litro", "litros"), "L": ("litro", "litros"),
    "ml": ("mililitro", "mililitros"),
    "mL": ("mililitro", "mililitros"), "cl": ("centilitro", "centilitros"), "dl": ("decilitro", "decilitros"),
    "km²": ("quilômetro quadrado", "quilômetros quadrados"), "m²": ("metro quadrado", "metros quadrados"),
    "cm²": ("centímetro quadrado", "centímetros quadrados"), "mm²": ("milímetro quadrado", "milímetros quadrados"),
    "m³": ("metro cúbico", "metros cúbicos"), "cm³": ("centímetro cúbico", "centímetros cúbicos"),
    "km³": ("quilômetro cúbico", "quilômetros cúbicos"), "ha": ("hectare", "hectares"),
    "km/h": ("quilômetro por hora", "quilômetros por hora"), "m/s": ("metro por segundo", "metros por segundo"),
    "m/s²": ("metro por segundo ao quadrado", "metros por segundo ao quadrado"),
    "km/s": ("quilômetro por segundo", "quilômetros por segundo"),
    "km/l": ("quilômetro por litro", "quilômetros por litro"),
    "g/cm³": ("grama por centímetro cúbico", "gramas por centímetro cúbico"),
    "kg/m²": ("quilo por metro quadrado", "quilos por metro quadrado"),
    "kg/m³": ("quilo por metro cúbico", "quilos por metro cúbico"),
    "mg/kg": ("miligrama por quilo", "miligramas por quilo"),
    "mg/dL": ("miligrama por decilitro", "miligramas por decilitro"),
    "°C": ("grau Celsius", "graus Celsius"), "ºC": ("grau Celsius", "graus Celsius"),
    "°F": ("grau Fahrenheit", "graus Fahrenheit"), "ºF": ("grau Fahrenheit", "graus Fahrenheit"),
    "min": ("minuto", "minutos"), "seg": ("segundo", "segundos"), "s": ("segundo", "segundos"),
    "ms": ("milissegundo", "milissegundos"), "hrs": ("hora", "horas"), "hs": ("hora", "horas"),
    "h": ("hora", "horas"),
    "Hz": ("hertz", "hertz"), "kHz": ("quilo-hertz", "quilo-hertz"), "MHz": ("mega-hertz", "mega-hertz"),
    "GHz": ("giga-hertz", "giga-hertz"), "KB": ("quilobyte", "quilobytes"),
    "kB": ("quilobyte", "quilobytes"), "MB": ("megabyte", "megabytes"), "GB": ("gigabyte", "gigabytes"),
    "TB": ("terabyte", "terabytes"), "PB": ("petabyte", "petabytes"), "MiB": ("mebibyte", "mebibytes"),
    "GiB": ("gibibyte", "gibibytes"), "kbps": ("quilobit por segundo", "quilobits por segundo"),
    "Mbps": ("megabit por segundo", "megabits por segundo"), "Gbps": ("gigabit por segundo", "gigabits por segundo"),
    "MB/s": ("megabyte por segundo", "megabytes por segundo"),
    "GB/s": ("gigabyte por segundo", "gigabytes por segundo"),
    "W": ("watt", "watts"), "kW": ("quilowatt", "quilowatts"), "MW": ("megawatt", "megawatts"),
    "GW": ("gigawatt", "gigawatts"), "kWh": ("quilowatt-hora", "quilowatts-hora"), "V": ("volt", "volts"),
    "mV": ("milivolt", "milivolts"), "kV": ("quilovolt", "quilovolts"),
    "mA": ("miliampere", "miliamperes"), "mAh": ("miliampere-hora", "miliamperes-hora"), "Ω": ("ohm", "ohms"),
    "kΩ": ("quilo-ohm", "quilo-ohms"), "kJ": ("quilojoule", "quilojoules"),
    "Pa": ("pascal", "pascais"), "kPa": ("quilopascal", "quilopascais"), "hPa": ("hectopascal", "hectopascais"),
    "cal": ("caloria", "calorias"), "kcal": ("quilocaloria", "quilocalorias"), "dB": ("decibel", "decibéis"),
    "px": ("pixel", "pixels"), "fps": ("quadro por segundo", "quadros por segundo"),
    "rpm": ("rotação por minuto", "rotações por minuto"),
    "bpm": ("batida por minuto", "batidas por minuto"), "cv": ("cavalo", "cavalos"), "hp": ("cavalo", "cavalos"),
    "lb": ("libra", "libras"), "lbs": ("libra", "libras"), "oz": ("onça", "onças"), "ft": ("pé", "pés"),
    "mph": ("milha por hora", "milhas por hora"),
    "pol": ("polegada", "polegadas"), "p.p.": ("ponto percentual", "pontos percentuais"),
    "pp": ("ponto percentual", "pontos percentuais"),
    "hab/km²": ("habitante por quilômetro quadrado", "habitantes por quilômetro quadrado"),
    "un": ("unidade", "unidades"),
}  # fmt: skip

PER = {
    "kg": "quilo", "g": "grama", "l": "litro", "ml": "mililitro", "m": "metro", "m²": "metro quadrado", "h": "hora",
    "hora": "hora", "min": "minuto", "s": "segundo", "km": "quilômetro", "un": "unidade", "kwh": "quilowatt-hora",
    "gb": "gigabyte",
    "t": "tonelada", "pessoa": "pessoa", "mês": "mês", "ano": "ano", "dia": "dia", "semana": "semana",
}  # fmt: skip

COINS = {
    "BRL": Coin("real", "reais", "centavo", "centavos"),
    "USD": Coin("dólar", "dólares", "centavo", "centavos"),
    "EUR": Coin("euro", "euros", "centavo", "centavos"),
    "GBP": Coin("libra", "libras", "centavo", "centavos", feminine=True),
    "JPY": Coin("iene", "ienes"),
    "BTC": Coin("bitcoin", "bitcoins"),
    "CAD": Coin("dólar canadense", "dólares canadenses", "centavo", "centavos"),
    "AUD": Coin("dólar australiano", "dólares australianos", "centavo", "centavos"),
    "ARS": Coin("peso argentino", "pesos argentinos", "centavo", "centavos"),
    "INR": Coin("rúpia", "rúpias", feminine=True),
    "RUB": Coin("rublo", "rublos"),
    "CNY": Coin("iuane", "iuanes"),
    "AED": Coin("dirham dos Emirados", "dirhams dos Emirados"),
    "CHF": Coin("franco suíço", "francos suíços"),
    "CLP": Coin("peso chileno", "pesos chilenos"),
    "COP": Coin("peso colombiano", "pesos colombianos"),
    "CZK": Coin("coroa tcheca", "coroas tchecas", feminine=True),
    "DKK": Coin("coroa dinamarquesa", "coroas dinamarquesas", feminine=True),
    "HKD": Coin("dólar de Hong Kong", "dólares de Hong Kong"),
    "HUF": Coin("florim húngaro", "florins húngaros"),
    "ILS": Coin("shekel israelense", "shekels israelenses"),
    "KRW": Coin("won sul-coreano", "wons sul-coreanos"),
    "MXN": Coin("peso mexicano", "pesos mexicanos"),
    "NOK": Coin("coroa norueguesa", "coroas norueguesas", feminine=True),
    "NZD": Coin("dólar neozelandês", "dólares neozelandeses"),
    "PLN": Coin("zloty polonês", "zlotys poloneses"),
    "PYG": Coin("guarani paraguaio", "guaranis paraguaios"),
    "SAR": Coin("rial saudita", "riais sauditas"),
    "SEK": Coin("coroa sueca", "coroas suecas", feminine=True),
    "SGD": Coin("dólar de Singapura", "dólares de Singapura"),
    "THB": Coin("baht tailandês", "bahts tailandeses"),
    "TRY": Coin("lira turca", "liras turcas", feminine=True),
    "TWD": Coin("dólar taiwanês", "dólares taiwaneses"),
    "UAH": Coin("grívnia ucraniana", "grívnias ucranianas", feminine=True),
    "UYU": Coin("peso uruguaio", "pesos uruguaios"),
    "ZAR": Coin("rand sul-africano", "rands sul-africanos"),
}
MAGNITUDES = {
    "mil": ("mil", "mil"), "k": ("mil", "mil"), "mi": ("milhão", "milhões"), "m": ("milhão", "milhões"),
    "mm": ("milhão", "milhões"), "milhão": ("milhão", "milhões"), "milhões": ("milhão", "milhões"),
    "bi": ("bilhão", "bilhões"), "b": ("bilhão", "bilhões"), "bilhão": ("bilhão", "bilhões"),
    "bilhões": ("bilhão", "bilhões"),
    "tri": ("trilhão", "trilhões"), "trilhão": ("trilhão", "trilhões"), "trilhões": ("trilhão", "trilhões"),
}  # fmt: skip

ACRONYMS = {
    "EUA": "Estados Unidos", "TV": "tevê", "OK": "oquei", "AI": "ei ai", "CEO": "ci i ou", "JPEG": "jota pegue",
    "PhD": "pê agá dê",
    "UK": "Reino Unido", "USA": "Estados Unidos",
}  # fmt: skip
SPELLED = frozenset(
    "USB ICMS IPTU IPVA INSS ISS IRPF IBAN IA TI UTI API CEI OAB IOF IPI UE UI UX SOS EAD AI ETA EJA"
    " IP ID IE AM GO PI".split()
)
KEPT = frozenset(
    "IPCA AIDS USP ONG UFO UNESP UNICAMP SESC SENAC SESI IPEA BOPE IBOPE DETRAN PROCON UEFA USAID DASP ASP".split()
)

ROMAN_CARDINAL = """capítulo capítulos parte volume tomo livro ato cena fase etapa tipo inciso incisos título seção
    nível classe
grupo anexo apêndice artigo item quadro módulo lição unidade canto grau estágio episódio temporada turma série round
    região zona
figura tabela guerra""".split()
RULERS = """pedro joão josé manuel afonso henrique fernando carlos luís luiz felipe filipe francisco frederico
    guilherme jorge
eduardo ricardo alexandre nicolau ivan napoleão leopoldo gustavo cristiano ramsés ptolomeu constantino teodósio
    justiniano
paulo pio bento leão gregório inocêncio clemente urbano bonifácio sisto júlio adriano francisco xavier dario xerxes
    artur
vítor tiago jaime mohammed abdullah otto otão rodolfo maximiliano balduíno alberto juliano""".split()
QUEENS = "elizabeth elisabeth isabel maria catarina vitória margarida cleópatra ana joana beatriz cristina".split()
# Behind a Roman numeral that counts: II Guerra Mundial, XV Congresso.
ROMAN_ORDINAL = {
    **dict.fromkeys(
        "guerra jornada semana bienal copa conferência mostra feira olimpíada edição assembleia".split(), True
    ),
    **dict.fromkeys(
        "congresso encontro simpósio seminário fórum festival concílio reich império prêmio colóquio".split(), False
    ),
}
ORDINAL_NOUN = """lugar andar dia turno ano semestre trimestre bimestre colocado colocada batalhão distrito ato
    capítulo
episódio round tempo bloco passo item lote grupo artigo século aniversário""".split()

BOOKS = """gênesis êxodo levítico números deuteronômio josué juízes rute samuel reis crônicas esdras neemias ester jó
    salmo salmos
provérbios eclesiastes cantares isaías jeremias lamentações ezequiel daniel oseias joel amós mateus marcos lucas joão
    atos romanos
coríntios gálatas efésios filipenses colossenses tessalonicenses timóteo tito filemom hebreus tiago pedro judas
    apocalipse""".split()
