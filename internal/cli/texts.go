package cli

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/apibr/studio/internal/datadir"
	"github.com/apibr/studio/internal/httpapi"
	"github.com/apibr/studio/internal/models"
)

// texts holds what the CLI says to a person, in English and Brazilian Portuguese. Help texts are in English, as in every CLI of the
// field; what a run says follows the user's locale.
var texts = map[string][2]string{
	"wrong_format":             {"--format %s: this command makes %s", "--format %s: este comando gera %s"},
	"wrong_name":               {"-o %s: the name must end in one of: %s", "-o %s: o nome deve terminar em um destes: %s"},
	"two_formats":              {"--format %s and -o %s name two formats: leave one of them out", "--format %s e -o %s indicam dois formatos: deixe um deles de fora"},
	"other_format":             {"the result is %s: -o %s would name another format", "o resultado é %s: -o %s indicaria outro formato"},
	"output_folder":            {"-o %s is a folder: name a file in it", "-o %s é uma pasta: indique um arquivo nela"},
	"no_folder":                {"-o: there is no folder %s", "-o: não existe a pasta %s"},
	"no_output":                {"this command makes a voice and no file: leave out -o", "este comando gera uma voz, não um arquivo: deixe -o de fora"},
	"queued":                   {"queued", "na fila"},
	"yes":                      {"yes", "sim"},
	"no":                       {"no", "não"},
	"licence_shown":            {"%s comes under the %s: %s\n%s", "%s está sob a %s: %s\n%s"},
	"licence_commercial":       {"What it makes may be used commercially, within that licence.", "O que ele faz pode ser usado comercialmente, dentro dessa licença."},
	"licence_not_commercial":   {"Commercial use needs the maker's permission.", "O uso comercial exige a permissão de quem o fez."},
	"licence_ask":              {"Have you read it, and do you accept it? [y/N] ", "Você leu e aceita? [s/N] "},
	"licence_flag":             {"the licence was not accepted: read it, then repeat the command with --accept-licence", "a licença não foi aceita: leia-a e repita o comando com --accept-licence"},
	"install_goes_on":          {"the installation goes on in the studio; end it with `apibr models cancel %[1]s`", "a instalação continua no estúdio; para encerrá-la: `apibr models cancel %[1]s`"},
	"install_replaced":         {"another installation of this model has begun meanwhile", "outra instalação deste modelo começou enquanto isso"},
	"model.name":               {"name", "nome"},
	"model.engine":             {"engine", "motor"},
	"model.about":              {"about", "sobre"},
	"model.languages":          {"languages", "idiomas"},
	"model.variants":           {"variants", "variantes"},
	"model.installed":          {"installed", "instalado"},
	"model.size":               {"size on disk", "tamanho no disco"},
	"model.licence":            {"licence", "licença"},
	"model.commercial":         {"commercial use", "uso comercial"},
	"model.gated":              {"needs a hub account", "exige conta no hub"},
	"model.repositories":       {"from", "origem"},
	"fault.missing":            {"the file is missing", "o arquivo não existe mais"},
	"fault.size":               {"the file has another size", "o arquivo tem outro tamanho"},
	"fault.content":            {"the file's content has changed", "o conteúdo do arquivo mudou"},
	"models_broken":            {"files are not what they were: install or import the model again", "há arquivos alterados: instale ou importe o modelo de novo"},
	"position":                 {"number %d in line", "%dº da fila"},
	"processing":               {"in progress", "em andamento"},
	"completed":                {"done", "pronto"},
	"failed":                   {"failed", "falhou"},
	"canceled":                 {"canceled", "cancelado"},
	"stage.load":               {"opening the model", "abrindo o modelo"},
	"stage.speech":             {"speaking", "gerando a fala"},
	"stage.synthesize":         {"speaking", "gerando a fala"},
	"stage.landmarks":          {"finding the face", "encontrando o rosto"},
	"stage.render":             {"animating", "animando"},
	"stage.mux":                {"putting the video together", "montando o vídeo"},
	"stage.read":               {"reading the file", "lendo o arquivo"},
	"stage.measure":            {"measuring the voice", "medindo a voz"},
	"stage.draw":               {"drawing", "desenhando"},
	"stage.prepare":            {"preparing", "preparando"},
	"stage.prompt":             {"reading the prompt", "lendo o pedido"},
	"stage.sample":             {"generating", "gerando"},
	"stage.decode":             {"decoding", "decodificando"},
	"stage.enlarge":            {"enlarging", "ampliando"},
	"stage.remote":             {"made at the maker's API", "em produção na API do fabricante"},
	"stage.encode":             {"writing the file", "gravando o arquivo"},
	"stage.store":              {"storing", "guardando"},
	"reason.waiting_for_input": {"waits for another job", "espera outro trabalho"},
	"reason.paused":            {"queue paused", "fila pausada"},
	"reason.no_memory":         {"waits for memory", "espera memória livre"},
	"reason.device_busy":       {"waits for the card", "espera a placa de vídeo"},
	"reason.backing_off":       {"again in a moment", "nova tentativa em instantes"},
	"reason.canceling":         {"canceling", "cancelando"},
	"reason.host_restarted":    {"the computer restarted under it", "o computador reiniciou durante ele"},
	"reason.dependency_failed": {"what it needed failed", "o que ele precisava falhou"},
	"eta":                      {"about %s left", "faltam cerca de %s"},
	"eta_guess":                {"about %s left (a guess)", "faltam cerca de %s (estimativa)"},
	"saved":                    {"saved %s", "salvo em %s"},
	"submitted":                {"job %s is queued; see it with: apibr jobs watch %s", "o trabalho %s está na fila; acompanhe com: apibr jobs watch %s"},
	"waiting_studio":           {"the studio does not answer; waiting for it to come back", "o estúdio não responde; esperando que ele volte"},
	"back":                     {"the studio is back", "o estúdio voltou"},
	"interrupt":                {"\nCancel the job, or leave it running? [c = cancel, Enter = leave it running] ", "\nCancelar o trabalho ou deixá-lo continuar? [c = cancelar, Enter = deixar continuar] "},
	"left_running":             {"job %s goes on; see it with: apibr jobs watch %s", "o trabalho %s continua; acompanhe com: apibr jobs watch %s"},
	"canceling":                {"canceling…", "cancelando…"},
	"warning":                  {"note: %s", "aviso: %s"},
	"job_failed":               {"the job failed: %s", "o trabalho falhou: %s"},
	"job_canceled":             {"the job was canceled", "o trabalho foi cancelado"},
	"unreachable":              {"no studio answers at %s: start it with `apibr serve`, or name another with --server", "nenhum estúdio responde em %s: inicie-o com `apibr serve` ou informe outro com --server"},
	"not_ours":                 {"%s is not the studio of this data directory, so the key of this computer is not sent there: name a key of that studio with --token or APIBR_TOKEN", "%s não é o estúdio deste diretório de dados, então a chave deste computador não é enviada para lá: informe uma chave daquele estúdio com --token ou APIBR_TOKEN"},
	"redirected":               {"%s sends on to %s, and a key goes to no other address than the one that you named: if that is the studio, name it with --server", "%s encaminha para %s, e uma chave só vai para o endereço que você informou: se esse é o estúdio, informe-o com --server"},
	"no_token":                 {"no API key: run this on the studio's computer as the user who runs it, or pass --token", "falta a chave de API: use o computador e o usuário do estúdio, ou informe --token"},
	"not_utf8":                 {"%[1]s: the text's encoding cannot be told; save it as UTF-8 and try again", "%[1]s: não dá para saber a codificação do texto; salve como UTF-8 e tente de novo"},
	"text_too_long":            {"%[1]s: the text is longer than %[2]d MiB", "%[1]s: o texto passa de %[2]d MiB"},
	"disk_full":                {"the disk of the data directory is full (%d MB are free, and the studio needs about 100 MB to start): free some space, or choose another folder with --data-dir.", "o disco da pasta de dados está cheio (%d MB livres, e o estúdio precisa de cerca de 100 MB para iniciar): libere espaço ou escolha outra pasta com --data-dir."},
	"disk_full_wait":           {"Trying again for %s (server.start_patience).", "Tentando de novo por %s (server.start_patience)."},
	"link":                     {"open this link in your browser (good for a few minutes, once):", "abra este link no navegador (vale por alguns minutos, uma só vez):"},
	"demo_studio":              {"starting the studio", "iniciando o estúdio"},
	"demo_running":             {"the studio is already running", "o estúdio já está em funcionamento"},
	"demo_project":             {"1/5 project \"Meu Avatar AI\"", "1/5 projeto \"Meu Avatar AI\""},
	"demo_voice":               {"2/5 cloning the voice \"Minha Voz\"", "2/5 clonando a voz \"Minha Voz\""},
	"demo_image":               {"3/5 picture from \"Professional headshot\"", "3/5 imagem a partir de \"Professional headshot\""},
	"demo_avatar":              {"4/5 talking avatar of the picture", "4/5 avatar falante da imagem"},
	"demo_photo":               {"5/5 the same speech with the sample photograph", "5/5 a mesma fala com a fotografia de exemplo"},
	"demo_done":                {"Your videos:", "Seus vídeos:"},
	"demo_stop":                {"The studio goes on running. Stop it with: kill %d", "O estúdio continua em funcionamento. Para encerrá-lo: kill %d"},
	"demo_credit":              {"The photograph is a NASA portrait and the sample voice a LibriVox reader: demonstration only, no endorsement.", "A fotografia é um retrato da NASA e a voz de exemplo é de um leitor do LibriVox: só demonstração, sem endosso."},
	"voice_none":               {"no voice yet: clone one with `apibr clone`", "nenhuma voz ainda: clone uma com `apibr clone`"},
	"nothing":                  {"nothing here yet", "nada aqui ainda"},
	"key_once":                 {"keep this key: it is shown only now", "guarde esta chave: ela só aparece agora"},
	"doctor_broken":            {"something must be repaired before the studio can work", "algo precisa ser consertado para o estúdio funcionar"},
	"setup_venv":               {"%s: making the environment", "%s: criando o ambiente"},
	"setup_packages":           {"%s: installing the libraries (hundreds of megabytes)", "%s: instalando as bibliotecas (centenas de megabytes)"},
	"setup_torch":              {"%s: installing torch (gigabytes)", "%s: instalando o torch (gigabytes)"},
	"setup_selftest":           {"%s: testing; on a new card this may take minutes", "%s: testando; em uma placa nova pode levar minutos"},
	"setup_failed":             {"✗ %s: %s", "✗ %s: %s"},
	"setup_none":               {"no environment passed; what was there before stays", "nenhum ambiente passou; o que havia antes permanece"},
	"setup_done":               {"the models' environment is ready: profile %s, torch %s on %s; restart a running studio to use it", "o ambiente dos modelos está pronto: perfil %s, torch %s em %s; reinicie o estúdio para usá-lo"},
	"setup_unchanged":          {"nothing has changed: profile %s, torch %s on %s; --force installs it again", "nada mudou: perfil %s, torch %s em %s; --force instala de novo"},
	"setup_passed":             {"the self-test passed: profile %s, torch %s on %s", "o autoteste passou: perfil %s, torch %s em %s"},
	"setup_broken":             {"the self-test failed: %s; run apibr models setup", "o autoteste falhou: %s; rode apibr models setup"},
	"setup_processor":          {"the processor", "o processador"},
	"demo_start_failed":        {"the studio did not start; its last lines:", "o estúdio não iniciou; suas últimas linhas:"},
}

// language picks an entry of texts: 1 for Portuguese, 0 for anything else.
type language int

func languageFromEnvironment() language {
	for _, name := range []string{"APIBR_LANG", "LC_ALL", "LC_MESSAGES", "LANG"} {
		if value := os.Getenv(name); value != "" {
			if strings.HasPrefix(strings.ToLower(value), "pt") {
				return 1
			}
			return 0
		}
	}
	return 0
}

// word is the text of a word that the studio sent; one that has no text shows as it is.
func (l language) word(kind, word string) string {
	if pair, ok := texts[kind+"."+word]; ok {
		return pair[l]
	}
	return strings.ReplaceAll(word, "_", " ")
}

func (l language) text(key string, args ...any) string {
	return fmt.Sprintf(texts[key][l], args...)
}

// problem is what an error says to a person. Those about the files of models have their Portuguese in the studio's own table.
func (l language) problem(err error) string {
	var unsafe *datadir.Error
	if l == 1 && errors.As(err, &unsafe) {
		return unsafe.PtBR
	}
	var file *models.InputError
	if l == 1 && errors.As(err, &file) {
		return httpapi.InPortuguese(err.Error())
	}
	return err.Error()
}
